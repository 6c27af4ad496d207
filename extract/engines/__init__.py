"""Ways to drive tasks: each takes documents and tasks, sends the rounds of calls, and gives back extractions.

Engines know tasks, models and the ledger; they know nothing of pipelines. `local` sends over HTTP, many documents at
once.
"""
