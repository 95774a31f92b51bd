"""What the whole package stands on and what knows nothing of traces: errors, checks, texts, threads, the machine."""
