"""Write a trained network as one HTML page that runs it in a browser, without a network connection."""
