"""What an attempt is worth: metrics over its events, the rubric, the score, the record and the report."""
