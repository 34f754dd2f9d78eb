/*
 * ring.pml: the ring of a Chan as chanring.go has it: bounds instead of counters. chan.pml has what all
 * such rings share; this has what each process keeps to itself, batches, and the end.
 *
 * WORDS  cell    lap, state and owner in one word: EMPTY -> WRITING(s) -> FULL -> READING(s) -> EMPTY, next lap
 *        tail    every position below has been claimed by a sender; head: every one below was given back;
 *                both may stay behind
 *        epoch   how often full cells may have appeared below a receiver's place
 * PRIVATE sends, takes and the epoch for which takes holds: where this process looks first
 *
 * SEND     S1  p = sends; EMPTY in its lap: CAS -> WRITING(me). A later state: p + 1, or tail if that is
 *              further. The lap before: full, sleep. SEALED: the end
 *          S2  write; CAS -> FULL; sends = p + 1; now and then raise tail
 *          BATCH: S1 for two cells, one behind the other, before the S2 of the first
 * RECEIVE  R1  e = epoch; p = takes if it holds for e, else head
 *          R2  FULL: CAS -> READING(me); takes = p + 1 for e. READING, or a later lap: p + 1, or head if
 *              that is further. SKIP: CAS -> EMPTY, next lap. WRITING: takes = p for e, sleep. The lap
 *              before: sleep. EMPTY: as WRITING, or, if closed, CAS -> SEALED
 *          R3  SEALED: the end, if all below was given back; else what is FULL there, or sleep
 *          R4  read; CAS -> EMPTY, next lap; now and then move head over what was given back
 * REPAIR of a dead s, from the first cell that was not given back to the first EMPTY one: WRITING(s) -> SKIP, READING(s) -> FULL; then
 *          epoch + 1, always
 *
 * PROVED: positions are claimed without a gap; what was sent is received, whole, once, in spite of a death
 * at every instant; the end comes after all that was sent; nobody who lives waits for one who is dead.
 */
#ifndef N
#define N 2
#endif
#ifndef MSGS
#define MSGS 2			/* of each sender; a batch is one */
#endif
#define SENDERS 2
#define EMPTY 0
#define WRITING 1
#define FULL 2
#define SKIP 3
#define READING 4
#define SEALED 5
#define at(p) ((p) % N)
#define lapOf(p) ((p) / N)

byte lap[N], st[N], own[N], val[N];
byte tail, head, epoch;
bool closed, dead[4], finished[SENDERS], repaired = true;

bool sent[9];			/* ghosts: by value, from 1 */
byte got[9], claims;

#define senderEnded(i) (finished[i] || dead[i])
#define arrived(v) (!sent[v] || got[v] == 1)
#define allArrived (arrived(1) && arrived(2) && arrived(3) && arrived(4) && arrived(5) && arrived(6) && arrived(7) && arrived(8))

inline publish(p, v) {
	d_step { assert(st[at(p)] == WRITING && own[at(p)] == me && lap[at(p)] == lapOf(p)); st[at(p)] = FULL; sent[v] = true }
}

inline claim(p) {
	st[at(p)] = WRITING;
	own[at(p)] = me;
	assert(p == claims);
	claims++
}

proctype Sender(byte me) {
	byte p, v, sends, round;
 {
	skip;
again:	if
	:: atomic { closed -> goto over }
	:: !closed -> p = sends
	fi;
look:	atomic {
		if
		:: lap[at(p)] == lapOf(p) && st[at(p)] == EMPTY -> claim(p); goto write
		:: lap[at(p)] == lapOf(p) && st[at(p)] == SEALED -> goto over
		:: lap[at(p)] == lapOf(p) && st[at(p)] != EMPTY && st[at(p)] != SEALED -> p++
		:: lap[at(p)] > lapOf(p) -> p = p + 1 + (lap[at(p)] - lapOf(p) - 1) * N
		:: lap[at(p)] < lapOf(p) -> assert(lap[at(p)] == lapOf(p) - 1 && st[at(p)] != EMPTY && st[at(p)] != SEALED); goto noroom
		fi
	};
	atomic { p = (tail > p -> tail : p); goto look };
noroom:	atomic { lap[at(p)] >= lapOf(p) || closed -> p = 0; goto again };
write:	v = 2 * (me * MSGS + round) + 1;
	val[at(p)] = v;
#ifdef BATCH
	if
	:: atomic { lap[at(p + 1)] == lapOf(p + 1) && st[at(p + 1)] == EMPTY -> claim((p + 1)) };
		val[at(p + 1)] = v + 1;
		publish(p, v);
		p++;
		v++
	:: lap[at(p + 1)] != lapOf(p + 1) || st[at(p + 1)] != EMPTY
	fi;
#endif
	publish(p, v);
	sends = p + 1;
	if
	:: atomic { tail < p + 1 -> tail = p + 1 }
	:: skip
	fi;
	atomic { round++; p = 0; v = 0; if :: round < MSGS -> goto again :: else fi };
over:	atomic { finished[me] = true; p = 0; sends = 0; round = 0 }
 } unless { dead[me] };
end:	false
}

inline drain() {
	atomic { h = head; q = h };
	do
	:: lap[at(q)] > lapOf(q) && q < h + N -> q++
	:: atomic { lap[at(q)] <= lapOf(q) || q >= h + N -> break }
	od;
	atomic { if :: head == h -> head = q :: else fi; h = 0 }
}

proctype Receiver(byte me) {
	byte p, e, takes, held, h, q, v;
 {
	skip;
again:	e = epoch;
	if :: held == e -> p = takes :: held != e -> p = head fi;
look:	atomic {
		if
		:: lap[at(p)] == lapOf(p) && st[at(p)] == FULL -> st[at(p)] = READING; own[at(p)] = me; goto read
		:: lap[at(p)] > lapOf(p) || lap[at(p)] == lapOf(p) && st[at(p)] == READING -> p++
		:: lap[at(p)] == lapOf(p) && st[at(p)] == SKIP -> st[at(p)] = EMPTY; lap[at(p)]++; goto look
		:: lap[at(p)] == lapOf(p) && st[at(p)] == EMPTY && !closed -> takes = p; held = e; goto nothing
		:: lap[at(p)] == lapOf(p) && st[at(p)] == EMPTY && closed ->
#ifdef BUG_NO_SEAL
			goto over
#else
			st[at(p)] = SEALED; goto look
#endif
		:: lap[at(p)] == lapOf(p) && st[at(p)] == SEALED -> goto sealed
		:: lap[at(p)] == lapOf(p) && st[at(p)] == WRITING -> takes = p; held = e; goto nothing
		:: lap[at(p)] < lapOf(p) -> assert(lap[at(p)] == lapOf(p) - 1 && (st[at(p)] == READING || st[at(p)] == FULL)); goto nothing
		fi
	};
	atomic { p = (head > p -> head : p); goto look };
nothing:	/* asleep until it is another word, or the epoch's or the end's turn */
end_empty: if
	:: atomic { epoch != e -> p = 0; q = 0; goto again }
	:: atomic { lap[at(p)] == lapOf(p) && (st[at(p)] == FULL || st[at(p)] == SKIP || st[at(p)] == READING) || lap[at(p)] > lapOf(p) -> p = 0; q = 0; goto again }
	:: atomic { lap[at(p)] == lapOf(p) && (st[at(p)] == EMPTY && closed || st[at(p)] == SEALED) -> p = 0; q = 0; goto again }
	fi;
sealed:	drain();
#ifndef BUG_END_UNDRAINED
	if
	:: q == p
	:: atomic { q != p && st[at(q)] == FULL && lap[at(q)] == lapOf(q) -> p = q; goto look }
	:: q != p && !(st[at(q)] == FULL && lap[at(q)] == lapOf(q)) ->
end_sealed:	atomic { lap[at(q)] > lapOf(q) || st[at(q)] == FULL || epoch != e -> p = 0; q = 0; goto again }
	fi;
#endif
	assert(allArrived);
	goto over;
read:	atomic { takes = p + 1; held = e };
	v = val[at(p)];
	d_step { assert(sent[v] && st[at(p)] == READING && own[at(p)] == me); st[at(p)] = EMPTY; lap[at(p)]++; got[v]++; assert(got[v] == 1); v = 0 };
	if
	:: drain(); q = 0
	:: skip
	fi;
	atomic { p = 0; e = 0; goto again };
over:	p = 0; e = 0; q = 0
 } unless { dead[me] };
end:	false
}

proctype Death(byte t) {
	byte p, n;
end:	d_step { dead[t] = true; repaired = false };
	p = head;
#ifndef BUG_STALE_HEAD	/* what it has claimed may lie more than N behind a head that stays behind */
	do
	:: lap[at(p)] > lapOf(p) -> p++
	:: lap[at(p)] <= lapOf(p) -> break
	od;
#endif
	do
	:: n < N ->
#ifdef BUG_REPAIR_FORGETS
		if
		:: atomic { st[at(p)] == READING && own[at(p)] == t && lap[at(p)] == lapOf(p) -> st[at(p)] = EMPTY; lap[at(p)]++ }
		:: else
		fi;
#endif
		if
		:: atomic { lap[at(p)] < lapOf(p) || lap[at(p)] == lapOf(p) && (st[at(p)] == EMPTY || st[at(p)] == SEALED) -> break }
		:: atomic { lap[at(p)] == lapOf(p) && st[at(p)] == WRITING && own[at(p)] == t -> st[at(p)] = SKIP }
		:: atomic { lap[at(p)] == lapOf(p) && st[at(p)] == READING && own[at(p)] == t -> st[at(p)] = FULL }
		:: else
		fi;
		p++;
		n++
	:: n == N -> break
	od;
#ifndef BUG_NO_EPOCH
	epoch++;
#endif
	repaired = true
}

/* A process that is here for ever has seen that what was sent does not arrive. */
proctype Monitor() {
	senderEnded(0) && senderEnded(1) && repaired && allArrived
}

init {
	atomic {
		run Sender(1);
		run Receiver(2);
#ifdef RECEIVER_DIES		/* one sender, and two receivers */
		finished[0] = true;
		run Receiver(3);
		run Death(2);
#else				/* two senders, and one receiver */
		run Sender(0);
		run Death(0);
#endif
#ifdef CLOSE
		run Closer();
#endif
		run Monitor()
	}
}

#ifdef CLOSE
proctype Closer() { closed = true }
#endif
