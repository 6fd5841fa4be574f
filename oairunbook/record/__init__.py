"""What a run leaves behind: notebooks, packet, archive. Views show what the evidence and the verdict say; they decide nothing."""
