"""Anatomy from data: morphometry tables -> bones, soft tissue, nerves, vessels, labels -> sim.phantom.Phantom."""
