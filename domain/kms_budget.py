"""How many cryptographic operations a smoke check may make with one key: a stated bound, since they cost money and share a quota.

A run makes two for the canary and at most two for golden ciphertexts. On top of that come the negative checks once a day, one
operation for each replica and run (with the replica, which has a quota of its own), two operations once for the golden ciphertext of
each version (five versions a run at most) and one for each wrapped key that is new, and what only a fault brings about: at most two
repeats of an operation, runs a minute apart until three answers are in, the golden ciphertexts that failed or could not be tried in
each run, the wrapped keys that never opened in each run, and all golden ciphertexts in the run that finds one lost.
"""

RUNS_A_DAY = 48
CANARY_OPERATIONS = 2
GOLDENS_A_RUN = 2
# New ones of versions, of which a key may have many at the first check; the rest waits for the next runs.
MINTED_A_RUN = 5
REPEATS = 2
# A changed byte, another context, another key; made every 23 hours, so that a day may see two rounds of them.
NEGATIVES_A_DAY = 2 * 3

# Of one key, by the schedule's runs alone.
DAILY_BUDGET = RUNS_A_DAY * (CANARY_OPERATIONS + GOLDENS_A_RUN)
# The newest has one turn in each run; the others share the second one.
GOLDENS_OPENED_DAILY = RUNS_A_DAY * (GOLDENS_A_RUN - 1) + 1


def daily_bound(replicas: int = 0) -> int:
    """Return what one key may come to within any 24 hours without a fault: runs, negative checks, a decryption by each replica.

    One run more than a day has: the first may have been late, and then the last is not yet a day after it.
    """
    return DAILY_BUDGET + CANARY_OPERATIONS + GOLDENS_A_RUN + NEGATIVES_A_DAY + (RUNS_A_DAY + 1) * replicas
