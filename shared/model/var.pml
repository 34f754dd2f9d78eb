/*
 * var.pml: Var of more than 8 bytes. (Up to 8 bytes it is one atomic word.)
 *
 * WORDS  seq, 64 bits: the number of the published value; its value is in cell[seq mod N], N = 4.
 *        A writer holds the Var's robust Mutex.
 *
 * STORE
 *   W1  Lock. A takeover needs no repair: whatever a dead writer filled was never published, so
 *       ErrOwnerDied is answered by MarkConsistent and goes no further.
 *   W2  s = seq; fill cell[(s+1) mod N], word by word
 *   W3  seq = s+1: release store, and a store barrier after it, so that no store of the next fill
 *       becomes visible before this one (arm64: DMB ISHST; amd64: nothing)
 *   W4  Unlock; then W2 to W5 of wait.pml for those who watch
 *   Update and CompareAndSwap: the same with the old value read from cell[s mod N] after W1.
 * LOAD
 *   R1  s = seq (acquire)
 *   R2  copy cell[s mod N], word by word
 *   R3  load barrier; s2 = seq; valid if and only if s2 - s <= N-2
 *       (while seq = s2 a writer fills cell s2+1, which is s's cell from s2 = s+N-1 on)
 *   R4  else again from R1; after K failures: Lock, copy cell[seq mod N], Unlock. Each failure means
 *       that N-1 values were published during one copy.
 *
 * PROVED: a value is never torn (I9); values never go back; a reader waits for nobody but in R4, and
 * there only for a writer that lives, since the lock of a dead one is taken over. BUG_SEQLOCK is the
 * usual in-place sequence lock: after a killed writer its readers wait for ever.
 */
#define N 4
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define K 1
#if defined(BUG_ONE_MORE)
#define VALID(s2, s) (s2 - s <= N - 1)
#elif defined(BUG_NO_SECOND_LOOK)
#define VALID(s2, s) true
#else
#define VALID(s2, s) (s2 - s <= N - 2)
#endif

byte seq;
byte a[N], b[N];           /* a value is two words, both equal to its number */
byte owner;                /* of the mutex: 0, or process + 1; the kernel frees it at a death */
bool dead[2];
byte victims;

#define lock(t)   atomic { owner == 0 -> owner = t + 1 }
#define unlock(t) owner = 0

proctype Writer(byte t) {
	byte s, round;
#ifdef BUG_NO_STORE_BARRIER
	bool early;
#endif
 {
	do
	:: round == ROUNDS -> break
	:: round < ROUNDS ->
		lock(t);
#ifdef BUG_SEQLOCK
		if :: seq % 2 == 0 -> seq++ :: seq % 2 == 1 fi;
		a[0]++; b[0] = a[0];
		seq++;
#else
		s = seq;
#ifdef BUG_PUBLISH_FIRST
		seq = s + 1;
#endif
		a[(s + 1) % N] = s + 1;
		b[(s + 1) % N] = s + 1;
#ifdef BUG_NO_STORE_BARRIER
		a[(s + 2) % N] = s + 2;
#endif
#ifndef BUG_PUBLISH_FIRST
		seq = s + 1;
#endif
#endif
		d_step { unlock(t); round++; s = 0 }
	od
 } unless { dead[t] };
end:	false
}

proctype Reader() {
	byte s, s2, x, y, last, tries, round;
	do
	:: round == 2 -> break
	:: round < 2 ->
#ifdef BUG_SEQLOCK
		atomic { seq % 2 == 0 -> s = seq };	/* spins while a writer writes */
		x = a[0];
		y = b[0];
		if
		:: atomic { seq == s -> assert(x == y); round++ }
		:: seq != s
		fi
#else
		s = seq;
		x = a[s % N];
		y = b[s % N];
		s2 = seq;
		if
		:: atomic { VALID(s2, s) -> assert(x == s && y == s && s >= last); last = s; round++; tries = 0 }
		:: atomic { !VALID(s2, s) && tries < K -> tries++ }
		:: else ->
			atomic { owner == 0 -> owner = 3; s = seq };
			x = a[s % N];
			y = b[s % N];
			d_step { unlock(2); assert(x == s && y == s && s >= last); last = s; round++; tries = 0 }
		fi;
		d_step { s = 0; s2 = 0; x = 0; y = 0 }
#endif
	od;
end:	false
}

proctype Death(byte t) {
end:	d_step { dead[t] = true };
	d_step { if :: owner == t + 1 -> owner = 0 :: else fi };	/* D, and the next takes over */
end2:	false
}

init {
	atomic {
		run Writer(0); run Writer(1); run Reader();
		if
		:: skip
		:: run Death(0)
		:: run Death(0); run Death(1)
		fi
	}
}
