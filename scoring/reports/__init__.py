"""Documents for people: blocks (content), html and pdf (form), and what is told to whom (learner, cohort, packet)."""
