"""Case templates: the tasks and details a new case starts with."""
