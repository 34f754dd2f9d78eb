"""A Python program in a region: it reads commands, a line each, and answers each with "ok WORD…" or "fail ERRNO". Its
argument is the module that "sysvipc region header --lang python" prints for the region of shared_linux_test.go."""
import importlib.util
import sys

spec = importlib.util.spec_from_file_location("region", sys.argv[1])
region = importlib.util.module_from_spec(spec)
spec.loader.exec_module(region)
r = watch = None


def whole(m):
    if m.N != m.More[6]:
        raise AssertionError("torn: %d and %d" % (m.N, m.More[6]))
    return m.N


def message(n):
    return (n, (0, 0, 0, 0, 0, 0, n))


def count_up():
    """Changes everything, until killed: what belongs together stays equal."""
    k, n = 0, 0
    while True:
        r.quote.update(more)
        r.pos.store((3, 8 * (k % 100) + 3), message(n))
        r.pos.delete((3, 8 * ((k + 50) % 100) + 3))
        r.ticks.publish(message(n))
        r.count.add()
        k, n = k + 1, n + 1


def more(q):
    return region.Quote(N=q.N + 1, Same=(q.N + 1, 0, 0, 0, 0, 0, q.N + 1), Name=b"%d" % (q.N + 1))


def look(times):
    for _ in range(times):
        q = r.quote.load()
        if not q.N == q.Same[0] == q.Same[6] == int(q.Name or b"0"):
            raise AssertionError("torn")
        for _, v in r.pos.items():
            whole(v)


def send(n, m):
    for i in range(n, m):
        r.out.send(message(i))


def follow(times):
    s = r.ticks.subscribe()
    print("ok", flush=True)
    got = [whole(s.next()) for _ in range(times)]
    return sum(got), s.missed


def do(verb, n=0, m=0):
    global r, watch
    if verb == "open":
        r = region.open(readonly=n != 0)
    elif verb == "close":
        r.close()
    elif verb == "load":
        q = r.quote.load()
        return q.N, q.Same[6], q.Name.decode(), int(q.Flag), "%.2f" % q.Price, r.word.load(), r.count.load()
    elif verb == "store":
        r.quote.store(region.Quote(Flag=True, Price=0.25, N=n, Same=(n, 0, 0, 0, 0, 0, n), Name=b"%d" % n))
        r.word.store(n)
    elif verb == "add":
        return (r.count.add(n),)
    elif verb == "look":
        look(n)
    elif verb == "mapload":
        v = r.pos.load((n % 256, n))
        return ("none",) if v is None else (whole(v),)
    elif verb == "mapstore":
        r.pos.store((n % 256, n), message(m))
    elif verb == "mapdelete":
        return (r.pos.delete((n % 256, n)),)
    elif verb == "entries":
        return len(r.pos), len(dict((k.ID, whole(v)) for k, v in r.pos.items()))
    elif verb == "watchword":
        watch = r.word.watch()
    elif verb == "watchkey":
        watch = r.pos.watch((n, n))
    elif verb == "watched":
        v = next(watch)
        return (v if v is None or isinstance(v, int) else whole(v),)
    elif verb == "send":
        send(n, m)
    elif verb == "receive":
        return (r["in"].receive(None if n < 0 else n / 1000).N,)
    elif verb == "drain":
        return (sum(x.N for x in r["in"]),)
    elif verb == "follow":
        return follow(n)
    elif verb == "publish":
        for i in range(n, m):
            r.ticks.publish(message(i))
    elif verb == "countup":
        count_up()
    return ()


for line in sys.stdin:
    verb, *numbers = line.split()
    try:
        print("ok", *do(verb, *map(int, numbers)), flush=True)
    except OSError as e:
        print("fail", e.errno, flush=True)
