"""Line charts that stand whatever the numbers are."""
