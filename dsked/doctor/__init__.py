"""What `dskectl doctor` looks at, a module for each subject. Checks give findings, and change nothing."""
