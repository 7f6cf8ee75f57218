"""What runs in the background of the page: jobs on pictures and models that are neither training nor drawing."""
