"""What templates of the portal are given beside Django's own."""
