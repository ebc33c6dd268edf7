"""Real patients: CT with a label map, a label map alone, or named meshes -> the same Phantom as a generated one.

`import_patient` (imports/patient.py) is the door; the file of a patient is imports/store.py.
"""
