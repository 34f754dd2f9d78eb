/*
 * join.pml: the participants that are there at one time are of one PID namespace.
 *
 * WORDS  of each slot: life, the robust word; pidns, the namespace of its owner, 0 while nobody has
 *        said it.
 *
 * JOIN
 *   J1  look at all slots: one that lives, and says another namespace, is an error
 *   J2  take a slot that is free: life (those who come at once from two namespaces may both do so)
 *   J3  write pidns
 *   J4  look as in J1; if it is an error: pidns = 0, life = 0
 *   J5  only now touch any other lock
 * LEAVE, and the reaper of a dead one: pidns = 0, then life = 0.
 * A kill marks life, so that the slot does not live any more; pidns stays until it is reaped.
 *
 * PROVED: of two that have passed J4 and live, both say the same namespace; so too with kills.
 */
#define NP 3

byte pidns[NP];            /* of the slots; each process has one of its own here */
bool life[NP], inside[NP], dead[NP];

#define mine (1 + t % 2)   /* two are of one namespace, and one of another */

inline look() {
	refused = false;
	i = 0;
	do
	:: i < NP ->
		/* One step in the code reads life, and one pidns. */
		said = pidns[i];
		if
		:: life[i] && said != 0 && said != mine -> refused = true
		:: else
		fi;
		i++
	:: else -> break
	od
}

proctype Joiner(byte t) {
	byte i, said;
	bool refused;
 {
	do
	:: skip ->
		look();
		if :: refused -> goto again :: else fi;
		life[t] = true;
#ifdef BUG_SAY_LATE
		look();
		pidns[t] = mine;
#else
		pidns[t] = mine;
#ifndef BUG_ONE_LOOK
		look();
#endif
#endif
		if
		:: refused
		:: else ->
			inside[t] = true;
			assert((!inside[0] || !inside[1]) && (!inside[2] || !inside[1]));
			inside[t] = false
		fi;
		pidns[t] = 0;
		life[t] = false;
again:		skip
	:: break
	od
 } unless { dead[t] };
end:	false
}

proctype Death(byte t) {
end:	atomic { dead[t] = true; life[t] = false; inside[t] = false };
	/* A reaper. */
	pidns[t] = 0
}

init {
	atomic {
		run Joiner(0); run Joiner(1); run Joiner(2);
		if
		:: skip
#ifndef NO_KILL
		:: run Death(0)
		:: run Death(1)
#endif
		fi
	}
}
