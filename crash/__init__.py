"""Real engine processes killed at named points and at any moment, on disks that forget; then judged by the venues."""
