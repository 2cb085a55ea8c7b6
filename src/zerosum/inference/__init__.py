"""What a run gives to people: pictures, samples, a report."""
