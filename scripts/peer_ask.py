"""Processor time of an ask and a tell of Optuna's samplers when n trials are known: what `bench.lua ask` compares with.

    python3 peer_ask.py 100,1000,10000 LIMIT_SECONDS WINDOW

One JSON line a sampler, as bench_ask.lua writes it. 10 float parameters, one objective, storage in memory.
"""
import json, sys, time, warnings

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")
counts, limit, window = [int(n) for n in sys.argv[1].split(",")], float(sys.argv[2]), int(sys.argv[3])
samplers = optuna.samplers
SAMPLERS = dict(random=samplers.RandomSampler, nsga2=samplers.NSGAIISampler, tpe=lambda seed: samplers.TPESampler(seed=seed, multivariate=True),
                gp=lambda seed: samplers.GPSampler(seed=seed), cmaes=lambda seed: samplers.CmaEsSampler(seed=seed), qmc=lambda seed: samplers.QMCSampler(seed=seed))


def measure(make):
    study = optuna.create_study(sampler=make(seed=1))
    began, known, us = time.process_time(), 0, {}

    def step():
        nonlocal known
        trial = study.ask()
        study.tell(trial, sum((trial.suggest_float(f"x{i:02d}", 0, 1) - 0.3) ** 2 for i in range(10)))
        known += 1
        return time.process_time() - began < limit

    for count in counts:
        while known < count:
            if not step(): return us, known
        start, first = time.process_time(), known
        while known < count + window:
            if not step(): return us, known
        us[str(count)] = 1e6 * (time.process_time() - start) / (known - first)
    return us, None


for name, make in SAMPLERS.items():
    line = dict(peer="optuna " + optuna.__version__, strategy=name)
    try:
        line["us"], stopped = measure(make)
        if stopped: line["stopped_at"] = stopped
    except Exception as e:
        line["us"], line["cannot"] = {}, str(e)
    print(json.dumps(line), flush=True)
