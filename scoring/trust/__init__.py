"""Trust beyond one record: signed documents, keys of a programme, pseudonyms, sittings, verification in bulk."""
