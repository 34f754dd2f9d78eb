/*
 * chan.pml: Chan with many producers and many consumers.
 *
 * WORDS
 *   cell   64 bits, one per slot of the ring: lap | state | owner. Position p lives in cell p mod N
 *          at lap p div N. The owner is the participant's slot number: that is enough, since a slot
 *          is free again only after all its cells are repaired (reap.pml).
 *            EMPTY  FULL  WRITING(owner)  READING(owner)  SKIP  CLOSED
 *   tail   the next position to write; a hint that anyone may help forward
 *   head   (epoch, position): the next position to read; helped likewise. The epoch (16 bits) grows
 *          when the reaper moves head back, so that no delayed help can step over what was put back.
 *   closing
 *
 * SEND, me = producer; L = t div N; every change of a cell but the owner's own stores is a CAS
 *   P1  closing? ErrClosed.  t = tail; w = cell[t mod N]
 *   P2  EMPTY at L     CAS -> WRITING(me) at L: position t is ours; lost: again from P1
 *       CLOSED at L    ErrClosed
 *       else at L      CAS tail t -> t+1; again from P1
 *       SKIP at L-1    pass it (below, p = t-N), if head has come so far; else full
 *       else at L-1    full: sleep until the cell changes (wait.pml), again from P1
 *       later lap      tail was old: again from P1
 *   P3  CAS tail t -> t+1 (lost: another helped)
 *   P4  write the payload
 *   P5  store FULL at L; wake consumers. Sent.
 * RECEIVE, me = consumer; L = h div N
 *   C1  (e, h) = head; w = cell[h mod N]
 *   C2  FULL at L      CAS -> READING(me) at L: ours; lost: again from C1
 *       READING at L, or a later lap   CAS head (e,h) -> (e,h+1); again from C1
 *       SKIP at L      pass it; again from C1
 *       EMPTY at L     closing: CAS -> CLOSED at L, then as CLOSED. Else empty: sleep; again from C1
 *       CLOSED at L    ErrClosed; but where messages are put back (at least once), only when no cell
 *                      is READING or FULL: until then sleep; again from C1 if head has changed
 *       WRITING at L, or an earlier lap   not there yet: sleep; again from C1
 *   C3  CAS head (e,h) -> (e,h+1) (lost: another helped, or moved it back: no matter)
 *   C4  copy the payload
 *   C5  store EMPTY at L+1; wake producers. Received. (At most once: answer after C5. At least
 *       once: a consumer that wants to finish its work before C5 holds a loan.)
 * PASS the SKIP at p, L = p div N: if head = (e,p) CAS head (e,p) -> (e,p+1);
 *       if head's position is now beyond p: CAS SKIP at L -> EMPTY at L+1
 * CLOSE closing = 1; wake all. The CLOSED cell is what decides: no producer can pass it, and a
 *       consumer puts it only where nothing is left, so no sent message is left behind.
 *
 * REPAIR after the death of d, by the process that holds d's slot (reap.pml), for each cell
 *   R1  WRITING(d) at p: CAS tail p -> p+1 if it is still p; then store SKIP at L.
 *       The message was never sent: P5 did not happen.
 *   R2  READING(d) at p: at least once: store FULL at L. At most once: CAS head past p if it is
 *       still p; store EMPTY at L+1.
 *   R3  then, whether R2 did anything or not (another reaper may have died after R2): for each cell
 *       that is FULL at a position p <= head's: CAS head (e,h) -> (e+1,p); lost: look again.
 *       Without this a message put back behind head is never read, and the ring stops one lap later.
 *       p = head's needs it too: a process that saw READING there may yet help head over it, and only
 *       the new epoch stops him.
 *   R4  wake all producers and consumers. Any prefix of R1 to R4 may be repeated.
 *
 * PROVED, with deaths at every instant, of the reaper too: each message that was sent arrives exactly
 * once, if a consumer lives (at most once: unless its consumer died with it); nobody who lives is
 * stuck while another could free him (no wedge); positions are taken in order, but for what was put
 * back (I12); no cell names a dead owner after its reaping (I10); head <= tail <= head+N whenever
 * either moves forward, until the first move back (I11). After one, a reaper that was late may leave
 * head behind for a moment, which harms nobody: Len must clamp.
 */
#ifndef N
#define N 2
#endif
#ifndef MSGS
#define MSGS 2             /* each producer's messages */
#endif
#ifndef NPROD
#define NPROD 2
#endif
#ifndef NCONS
#define NCONS 2
#endif
#define NONE 9

mtype = { EMPTY, FULL, WRITING, READING, SKIP, CLOSED };

byte lap[N], owner[N] = NONE;
mtype state[N] = EMPTY;
byte data[N];
byte tail, head, epoch;
bool closing;

/* Participants 0 and 1 produce, 2 and 3 consume; with NPROD or NCONS 1 the second of them is not there. */
bool dead[4], over[4];
byte restarts = 1;         /* of the reaper */

/* ghosts */
byte sent, got, lost;      /* bit sets of messages */
byte written[8];           /* position -> message, + 1 */
byte top;                  /* first position that was never claimed by a consumer */
bool putback[8];

#define at(p)       lap[(p) % N] == (p) / N
#define cell(p)     state[(p) % N]
#define set(p, s, o) cell(p) = s; owner[(p) % N] = o
#define free(p)     set(p, EMPTY, NONE); lap[(p) % N] = (p) / N + 1
#define helptail(p) if :: tail == p -> tail = p + 1; assert(epoch || tail <= head + N) :: else fi
#define helphead(e, p) if :: head == p && epoch == e -> head = p + 1; assert(epoch || head <= tail) :: else fi

inline pass(p) {	/* e is the epoch that was read with head */
#ifndef BUG_FREE_SKIP_FIRST
	atomic { helphead(e, p) };
#endif
	d_step {
		if
#ifdef BUG_FREE_SKIP_FIRST
		:: at(p) && cell(p) == SKIP -> free(p)
#else
		:: head > p && at(p) && cell(p) == SKIP -> free(p)
#endif
		:: else
		fi
	}
}

proctype Producer(byte me) {
	byte t, e, k;
 {
	skip;
again:	atomic {
		e = 0;
		if :: k == MSGS || closing -> goto finished :: else fi;
		t = tail;
	};
	atomic {
#ifdef BUG_VYUKOV		/* claims the position by moving tail; the cell names nobody */
		if
		:: at(t) && cell(t) == EMPTY && tail == t -> tail = t + 1
		:: at(t) && cell(t) == EMPTY && tail != t -> goto again
#elif defined(BUG_NO_LAP)
		if
		:: cell(t) == EMPTY -> set(t, WRITING, me)
#else
		if
		:: at(t) && cell(t) == EMPTY -> set(t, WRITING, me)
#endif
		:: at(t) && cell(t) == CLOSED -> goto finished
		:: at(t) && cell(t) != EMPTY && cell(t) != CLOSED -> goto help
		:: lap[t % N] + 1 == t / N && cell(t) == SKIP -> e = epoch; if :: head >= t - N -> goto skipit :: else -> goto wait fi
		:: lap[t % N] + 1 == t / N && cell(t) != SKIP -> goto wait
		:: lap[t % N] > t / N -> goto again
		fi
	};
#ifndef BUG_VYUKOV
#ifdef BUG_TAIL_LATE		/* consumers may pass the position before tail does */
	skip;
#else
	atomic { helptail(t) };
#endif
#endif
#ifdef BUG_FULL_FIRST
	set(t, FULL, NONE);
#endif
	d_step { data[t % N] = MSGS * me + k; written[t] = MSGS * me + k + 1 };
	d_step { set(t, FULL, NONE); sent = sent | 1 << (MSGS * me + k); k++; t = 0 };
#ifdef BUG_TAIL_LATE
	atomic { helptail(t) };
#endif
	goto again;
help:	atomic { helptail(t); t = 0 };
	goto again;
skipit:	pass(t - N);
	d_step { t = 0; e = 0 };
	goto again;
wait:
end_wait:
	atomic { !(lap[t % N] + 1 == t / N) || tail != t || (cell(t) == SKIP && head >= t - N) -> t = 0 };
	goto again;
finished:
#ifdef CLOSE
	if :: me == NPROD - 1 -> closing = true :: else fi;
#endif
	over[me] = true
 } unless { dead[me] };
end:	false
}

#define idle(c) (state[c] != READING && state[c] != FULL)
#define noneleft (idle(0) && idle(N - 1))

proctype Consumer(byte me) {
	byte h, e, v;
	mtype s;
 {
	skip;
again:	atomic { h = head; e = epoch };
	atomic {
		if
		:: at(h) && cell(h) == FULL ->
			set(h, READING, me);
			assert(h >= top || putback[h]);
			if :: h >= top -> top = h + 1 :: else fi
		:: at(h) && cell(h) == READING -> goto help
		:: lap[h % N] > h / N -> goto help
		:: at(h) && cell(h) == SKIP -> goto skipit
#ifdef BUG_CLOSE_BY_FLAG
		:: at(h) && cell(h) == EMPTY && closing -> goto closed
#else
		:: at(h) && cell(h) == EMPTY && closing -> set(h, CLOSED, NONE); goto closed
#endif
		:: at(h) && cell(h) == CLOSED -> goto closed
		:: at(h) && cell(h) == EMPTY && !closing -> s = EMPTY; goto wait
		:: at(h) && cell(h) == WRITING -> s = WRITING; goto wait
		:: lap[h % N] < h / N -> s = cell(h); goto wait
		fi
	};
	atomic { helphead(e, h); e = 0 };
	v = data[h % N];
	d_step {
		assert(v + 1 == written[h]);
		free(h);
		assert(!(got & 1 << v));
		got = got | 1 << v; putback[h] = false; written[h] = 0; data[h % N] = 0; v = 0; h = 0; e = 0
	};
	goto again;
help:	atomic { helphead(e, h); h = 0; e = 0 };
	goto again;
skipit:	pass(h);
	d_step { h = 0; e = 0 };
	goto again;
wait:
end_wait:
	atomic { head != h || epoch != e || cell(h) != s || (closing && s == EMPTY) -> h = 0; e = 0; s = 0 };
	goto again;
closed:
#if !defined(AT_MOST_ONCE) && !defined(BUG_CLOSE_EARLY)
end_closed:
	if
	:: noneleft
	:: head != h || epoch != e -> goto again
	fi;
#endif
	over[me] = true
 } unless { dead[me] };
end:	false
}

#ifdef BUG_EPOCH_ONLY_BEHIND
#define BEHIND(p, h) (p < h)
#else
#define BEHIND(p, h) (p <= h)
#endif

/* A death, and its reaping. The first reaper may die at any step; then another begins again. */
#define REAPERDIES :: atomic { restarts > 0 -> restarts--; goto reap }
proctype Death(byte d) {
	byte c, p, h, e;
end:	d_step { !over[d] -> dead[d] = true };
reap:	c = 0;
	do
	:: c == N -> break
	:: atomic { c < N && owner[c] == d && state[c] == WRITING } ->
		p = lap[c] * N + c;
#ifndef BUG_SKIP_BEFORE_TAIL
		atomic { helptail(p) };
#endif
		d_step { set(p, SKIP, NONE) };
#ifdef BUG_SKIP_BEFORE_TAIL
		atomic { helptail(p) };
#endif
		p = 0; c++
	:: atomic { c < N && owner[c] == d && state[c] == READING } ->
		p = lap[c] * N + c;
#ifdef AT_MOST_ONCE
		d_step { e = epoch };
		atomic { helphead(e, p) };
		d_step { lost = lost | 1 << data[c]; free(p) };
#else
		d_step { set(p, FULL, NONE); putback[p] = true };
#endif
		p = 0; c++
	:: atomic { c < N && owner[c] != d -> c++ }
	REAPERDIES
	od;
	assert(owner[0] != d && owner[N - 1] != d);
#ifndef BUG_NO_REWIND
	c = 0;
	do
	:: c == N -> break
	:: c < N ->
		d_step { h = head; e = epoch };
		d_step { p = lap[c] * N + c; if :: state[c] == FULL && BEHIND(p, h) :: else -> p = 255 fi };
		d_step {
			if
			:: p == 255 -> c++
			:: p < 255 && head == h && epoch == e -> head = p;
#ifndef BUG_NO_EPOCH
				epoch++;
#endif
				c++
			:: p < 255 && !(head == h && epoch == e)
			fi;
			p = 0; h = 0; e = 0
		}
	REAPERDIES
	od;
#endif
end2:	false
}

/* When nothing can move any more: is anybody stuck, is anything lost? */
#define allsent(i) (over[i] || dead[i])
active proctype Judge() {
end:	timeout;
	if
	:: !(dead[2] && dead[3]) ->
		assert(allsent(0) && allsent(1));
		assert((got | lost) == (sent | lost));
#ifdef CLOSE
		assert(dead[NPROD - 1] || ((dead[2] || over[2]) && (dead[3] || over[3])))
#endif
	:: else
	fi
}

init {
	atomic {
		run Producer(0); run Consumer(2);
#if NPROD == 2
		run Producer(1);
#else
		over[1] = true;
#endif
#if NCONS == 2
		run Consumer(3);
#else
		dead[3] = true;
#endif
		if	/* who may be killed: up to symmetry */
#ifdef NOBODY
		:: skip
#endif
#ifdef P
		:: run Death(0)
#endif
#ifdef C
		:: run Death(2)
#endif
#ifdef PC
		:: run Death(0); run Death(2)
#endif
#ifdef PP
		:: run Death(0); run Death(1)
#endif
		fi
	}
}
