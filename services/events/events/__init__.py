"""The events service: get-togethers of groups, who comes, and who waits for a seat."""
