"""How many cryptographic operations a smoke check may make with one key: a stated bound, since they cost money and share a quota.

A run makes two for the canary and at most two for golden ciphertexts. On top of that come the negative checks once a day, one
operation for each replica and run (with the replica, which has a quota of its own), the first encryption of a new version's golden
ciphertext, and what only a fault brings about: at most two repeats of an operation, runs a minute apart until three answers are
in, the golden ciphertexts that failed in each run, and all of them in the run that finds one lost.
"""

RUNS_A_DAY = 48
CANARY_OPERATIONS = 2
GOLDENS_A_RUN = 2
REPEATS = 2
# A changed byte, another context, another key; made every 23 hours, so that a day may see two rounds of them.
NEGATIVES_A_DAY = 2 * 3

# Of one key, without repeats and negative checks: what kms_canary_operations_budget shows.
DAILY_BUDGET = RUNS_A_DAY * (CANARY_OPERATIONS + GOLDENS_A_RUN)
# The newest has one turn in each run; the others share the second one.
GOLDENS_OPENED_DAILY = RUNS_A_DAY * (GOLDENS_A_RUN - 1) + 1


def daily_bound(replicas: int = 0) -> int:
    """Return what one key may come to on a day without a fault: runs, negative checks, and a decryption by each replica."""
    return DAILY_BUDGET + NEGATIVES_A_DAY + RUNS_A_DAY * replicas
