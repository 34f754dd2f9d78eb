/*
 * init.pml: the first initialisation of a region. Directory entries are made by the same protocol,
 * each with its own state word, under the directory's robust Mutex instead of the init word.
 *
 * WORDS  state: 0 raw (fresh System V memory), 1 initialising, 2 ready, 3 poisoned.
 *        init: a robust lock word as in mutex.pml, at a fixed offset, so that it works while all else
 *        is raw. nonce, header, directory: the header, summed by checksum.
 *
 * ATTACH (create and open alike)
 *   A1  state = 2 (acquire): check the header against itself and against IPC_STAT; done.
 *       3: error.
 *   A2  lock init, as in mutex.pml: pending, CAS, link; a takeover does the barrier
 *   A3  state again: 2: unlock init, as A1. Another was first. 3: unlock, error.
 *   A4  state = 1
 *   A5  wipe everything behind the init word: a creator that was killed half way left bits of its own
 *   A6  write nonce, header, directory, checksum
 *   A7  state = 2 (release): the only publication
 *   A8  unlock init
 * Nobody but the holder of init writes anything while state < 2, and nobody writes these fields when
 * state = 2. An opener that may not create does A1, then A2 to A3 and, finding 0 or 1, unlocks and says
 * that the region was never finished. A killed creator needs no reaper: the kernel frees init.
 *
 * A file needs none of this: build it whole under O_TMPFILE, then linkat: the name appears with the
 * finished region, or not at all.
 *
 * PROVED: a process that passes A1 sees one and the same complete initialisation, for ever; no survivor waits
 * for a dead creator.
 */
#define NP 3
#define NONE 9

byte state, nonce, header, entries;
byte owner = NONE;         /* of init; the kernel frees it */
bool dead[NP];
byte seen = NONE;          /* ghost: the nonce that the first to attach saw */

proctype Attacher(byte t) {
	byte n;
 {
	skip;
again:	if
	:: state == 2 -> goto ready
	:: state < 2
	fi;
	atomic { owner == NONE -> owner = t };
#ifndef BUG_NO_SECOND_LOOK
	if
	:: state == 2 -> owner = NONE; goto ready
	:: state < 2
	fi;
#endif
#ifdef BUG_READY_FIRST
	state = 2;
#else
	state = 1;
#endif
#ifndef BUG_NO_WIPE
	d_step { nonce = 0; header = 0; entries = 0 };
#endif
	nonce = t + 1;
	header = t + 1;
	entries++;
#ifndef BUG_READY_FIRST
	state = 2;
#endif
	owner = NONE;
	goto again;
ready:	n = nonce;
	atomic {
		assert(n != 0 && header == n && entries == 1);
		assert(seen == NONE || seen == n);
		seen = n
	};
	assert(nonce == n && header == n && entries == 1)	/* and still so, later */
 } unless { dead[t] };
end:	false
}

proctype Death(byte t) {
end:	d_step { dead[t] = true };
#ifndef BUG_PLAIN_LOCK
	d_step { if :: owner == t -> owner = NONE :: else fi };
#endif
end2:	false
}

init {
	atomic {
		run Attacher(0); run Attacher(1); run Attacher(2);
		if
		:: skip
		:: run Death(0)
		:: run Death(0); run Death(1)
		fi
	}
}
