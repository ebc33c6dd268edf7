"""The pages. A view reads the programme's things through `request.seat` alone (scoring.portal.guard)."""
