"""The programme's portal: assign, follow, review, decide, in a browser (docs/PORTAL.md).

A Django application on the functions of `scoring`. Nothing but `commands` imports it; what it needs of scenarios and
replay it is given as a desk (scoring.portal.desk).
"""
