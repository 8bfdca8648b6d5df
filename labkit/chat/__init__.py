"""The chat application of the course: Chainlit in front, models behind, health and history beside."""
