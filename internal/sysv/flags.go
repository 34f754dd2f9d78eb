package sysv

// The values are those of the kernel's include/uapi/linux/{ipc,shm,sem,msg}.h; they are the same on
// every port that Go has.

// Flags and commands of all three kinds of objects; see shmget(2), semget(2), msgget(2), ipc(2).
const (
	IPC_PRIVATE = 0 // key: a new object without a key

	IPC_CREAT  = 0o1000 // create the object if the key has none
	IPC_EXCL   = 0o2000 // with IPC_CREAT: fail with EEXIST if it has one
	IPC_NOWAIT = 0o4000 // fail with EAGAIN or ENOMSG instead of waiting

	IPC_RMID = 0 // remove the object
	IPC_SET  = 1 // change owner, mode (and a queue's qbytes)
	IPC_STAT = 2 // read the object's struct, by id
	IPC_INFO = 3 // read the limits
)

// Flags and commands of segments; see shmget(2), shmat(2), shmctl(2).
const (
	SHM_R = 0o400 // mode: the owner may read
	SHM_W = 0o200 // mode: the owner may write

	// Flags of shmget.
	SHM_HUGETLB    = 0o4000  // back the segment by huge pages
	SHM_NORESERVE  = 0o10000 // reserve no swap space
	SHM_HUGE_SHIFT = 26      // log2 of the huge page's size, shifted by this, chooses one
	SHM_HUGE_MASK  = 0x3f

	// Flags of shmat.
	SHM_RDONLY = 0o10000  // attach for reading only
	SHM_RND    = 0o20000  // round the address down to a multiple of SHMLBA
	SHM_REMAP  = 0o40000  // replace what is mapped at the address
	SHM_EXEC   = 0o100000 // allow execution

	// Commands of shmctl.
	SHM_LOCK     = 11
	SHM_UNLOCK   = 12
	SHM_STAT     = 13 // IPC_STAT by index
	SHM_INFO     = 14 // what is used of the limits
	SHM_STAT_ANY = 15 // SHM_STAT without the check of permissions, since Linux 4.17

	// Bits of [Perm].Mode that only segments have.
	SHM_DEST   = 0o1000 // removed; goes with the last detach
	SHM_LOCKED = 0o2000 // locked into memory
)

// Flags and commands of semaphore sets; see semop(2), semctl(2).
const (
	SEM_UNDO = 0x1000 // flag of an operation: revert it when the process ends

	GETPID  = 11 // the process that changed the semaphore last
	GETVAL  = 12
	GETALL  = 13
	GETNCNT = 14 // number of waiters for a larger value
	GETZCNT = 15 // number of waiters for zero
	SETVAL  = 16
	SETALL  = 17

	SEM_STAT     = 18 // IPC_STAT by index
	SEM_INFO     = 19 // what is used of the limits
	SEM_STAT_ANY = 20 // SEM_STAT without the check of permissions, since Linux 4.17
)

// Flags and commands of message queues; see msgop(2), msgctl(2).
const (
	MSG_NOERROR = 0o10000 // cut a message that is too long, instead of E2BIG
	MSG_EXCEPT  = 0o20000 // receive the first message of any other type
	MSG_COPY    = 0o40000 // copy the message at a position, and leave it on the queue

	MSG_STAT     = 11 // IPC_STAT by index
	MSG_INFO     = 12 // what is used of the limits
	MSG_STAT_ANY = 13 // MSG_STAT without the check of permissions, since Linux 4.17
)
