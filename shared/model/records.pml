/*
 * records.pml: Records, a ring of records of any length, many senders and many receivers.
 *
 * WORDS  positions count units from the beginning; unit p lies in the ring at p mod N.
 *   tail   where the next record comes; changed under the robust lock S of the senders
 *   head   the first record that is not gone; moves by compare-and-swap
 *   next   where receivers look first, if valid = epoch; both change under their robust lock R
 *   epoch  how often full records may have appeared below next
 *   A record has a head: state WRITING(s), FULL, READING(s) or GONE in one word with its position, so
 *   that a compare-and-swap never meets another record; and its length.
 *
 * SEND     S1  lock S; move head over what is gone
 *          S2  if the rest of the ring is too short: write a GONE record that fills it, then tail
 *          S3  if there is no room: unlock, sleep until head may move, from S1
 *          S4  write the record's head as WRITING(me), THEN tail; unlock
 *          S5  write the bytes, with no lock held
 *          S6  CAS WRITING(me) -> FULL; wake
 * RECEIVE  R1  lock R; e = epoch; p = next if valid = e, else head
 *          R2  p = tail: unlock, sleep, from R1. Read the record's head at p, and after that head: if
 *              head > p, what was read may be overwritten: p = head, again
 *          R3  READING, GONE: p += length, again. WRITING: unlock, sleep, from R1
 *          R4  CAS FULL -> READING(me); next = p + length; valid = e; unlock
 *          R5  read the bytes, with no lock held
 *          R6  CAS READING(me) -> GONE; move head; wake
 * REPAIR of a dead participant s, from head to tail, reading as in R2: WRITING(s) -> GONE,
 *          READING(s) -> FULL; then epoch++, always. The locks are freed by the kernel, and need none.
 *
 * PROVED: what is received was sent, whole; what was sent is received, once, or again only if its
 * receiver died in R4 to R6; nobody who lives waits for one who is dead.
 */
#define N 4
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define NONE 9              /* RECEIVERS: one sender, and two receivers of whom one may die; else two
			      senders of whom one may die, and one receiver */
#define GONE 0
#define WRITING 1
#define FULL 2
#define READING 3

byte st[N], own[N], size[N], pos[N], val[N];
byte head, tail, next, valid, epoch;
byte lockS = NONE, lockR = NONE;
bool dead[4], finished[4];
bool repaired = true;

bool sent[7];              /* ghost: by value, 1 to 6 */
byte got[7];

inline advance(h) {
	do
	:: atomic { h = head; if :: h == tail -> break :: else fi };
		if
		:: atomic { pos[h % N] == h && st[h % N] == GONE -> if :: head == h -> head = h + size[h % N] :: else fi }
		:: atomic { else -> break }
		fi
	od;
	h = 0
}

#define room(n) (tail - head + n <= N || st[head % N] == GONE)

proctype Sender(byte me) {
	byte h, l, need, v, p, round;
 {
	l = 1 + (me + round) % 2;
again:	atomic { lockS == NONE -> lockS = me };
	advance(h);
	need = (N - tail % N < l -> N - tail % N : l);
	if
	:: tail - head + need > N ->
		lockS = NONE;
		room(need);
		goto again
	:: tail - head + need <= N && need < l ->
		d_step { st[tail % N] = GONE; size[tail % N] = need; pos[tail % N] = tail };
		atomic { tail = tail + need; lockS = NONE; goto again }
	:: tail - head + need <= N && need == l
	fi;
	p = tail;
#ifdef BUG_TAIL_FIRST
	tail = p + l;
#endif
	d_step { st[p % N] = WRITING; own[p % N] = me; size[p % N] = l; pos[p % N] = p };
#ifndef BUG_TAIL_FIRST
	tail = p + l;
#endif
	lockS = NONE;
	v = me * ROUNDS + round + 1;
	val[(p + l - 1) % N] = v;	/* the last unit of it */
	d_step { assert(st[p % N] == WRITING && own[p % N] == me && pos[p % N] == p); st[p % N] = FULL; sent[v] = true };
	atomic {
		round++; p = 0; v = 0; need = 0; l = 0;
		if
		:: round < ROUNDS -> l = 1 + (me + round) % 2; goto again
		:: else -> finished[me] = true
		fi
	}
 } unless { dead[me] };
end:	false
}

proctype Receiver(byte me) {
	byte h, e, p, l, s, v;
 {
	skip;
again:	atomic { lockR == NONE -> lockR = me };
	e = epoch;
	if :: valid == e -> p = next :: valid != e -> p = head fi;
look:
	if
	:: p == tail -> lockR = NONE;
end_empty:	atomic { tail != p || epoch != e -> p = 0; e = 0; goto again }
	:: p != tail
	fi;
	d_step { s = (pos[p % N] == p -> st[p % N] : NONE); l = size[p % N] };
#ifndef BUG_NO_SECOND_LOOK
	if
	:: atomic { head > p -> p = head; goto look }
	:: head <= p
	fi;
#endif
	if
	:: s == NONE -> assert(false)
	:: atomic { s == GONE || s == READING -> p = p + l; goto look }
	:: s == WRITING -> lockR = NONE;
end_writing:	atomic { st[p % N] != WRITING || pos[p % N] != p || epoch != e -> p = 0; e = 0; s = 0; l = 0; goto again }
	:: s == FULL
	fi;
	d_step { assert(st[p % N] == FULL && pos[p % N] == p); st[p % N] = READING; own[p % N] = me };
	next = p + l;
	valid = e;
	lockR = NONE;
	v = val[(p + l - 1) % N];
	d_step { assert(sent[v] && st[p % N] == READING && own[p % N] == me); st[p % N] = GONE; got[v]++; v = 0; p = 0; e = 0; s = 0; l = 0 };
	advance(h);
	goto again
 } unless { dead[me] };
end:	false
}

proctype Death(byte t) {
	byte p, l, s, o, h;
end:	d_step { dead[t] = true; repaired = false };
	d_step {	/* the kernel */
		if :: lockS == t -> lockS = NONE :: else fi;
		if :: lockR == t -> lockR = NONE :: else fi
	};
	p = head;
walk:
	if
	:: p < tail ->
		d_step { s = (pos[p % N] == p -> st[p % N] : NONE); l = size[p % N]; o = own[p % N] };
		if
		:: atomic { head > p -> p = head; goto walk }
		:: head <= p
		fi;
		assert(s != NONE);
		d_step {
			if
			:: s == WRITING && o == t && st[p % N] == s -> st[p % N] = GONE
			:: s == READING && o == t && st[p % N] == s -> st[p % N] = FULL
			:: else
			fi;
			p = p + l
		};
		goto walk
	:: p >= tail
	fi;
#ifndef BUG_NO_EPOCH
	epoch++;
#endif
	advance(h);
	repaired = true;
end2:	false
}

proctype Check() {
	byte v;
end:	timeout;
	d_step {
		assert(repaired);
		assert(finished[0] || dead[0]);
		assert(finished[1] || dead[1]);
		v = 1;
		do
		:: v > 2 * ROUNDS -> break
		:: v <= 2 * ROUNDS ->
			/* sent is received, once: who died in R4 to R6 has not counted it */
			assert(got[v] == (sent[v] -> 1 : 0));
			v++
		od
	};
end2:	false
}

init {
	atomic {
		run Sender(0); run Receiver(2); run Check();
#ifdef RECEIVERS
		run Receiver(3);
		finished[1] = true;
#else
		run Sender(1);
#endif
		if
		:: skip
#ifdef RECEIVERS
		:: run Death(2)
#else
		:: run Death(0)
#endif
		fi
	}
}
