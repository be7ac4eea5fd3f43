"""How a run uses tools: what it is offered, the calls of one model step, and what comes of them."""
