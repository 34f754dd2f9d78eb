package bench

// Mechanism is a way for processes to talk, to lock or to share a value, with what is known of it without measuring.
type Mechanism struct {
	Name    string
	What    string // in a line
	Kind    string // what it moves: stream, message, wake-up, state, lock, process
	Finds   string // how unrelated processes find it
	Limit   string // {name} stands for what /proc/sys has under that name
	Killed  string // what a kill -9 of a process that uses it leaves
	Outlive bool   // what was written outlives both processes
}

// Mechanisms are all that are measured, in the order of the tables.
var Mechanisms = []Mechanism{
	{
		Name: "signal", What: "real-time signal with a value (pthread_sigqueue, sigwaitinfo)", Kind: "wake-up", Finds: "PID",
		Limit: "8 bytes a signal; {kernel/threads-max} pending at most, by RLIMIT_SIGPENDING", Killed: "nothing: pending signals are lost",
	},
	{
		Name: "pipe", What: "two pipes, inherited", Kind: "stream", Finds: "not at all: descriptors are inherited or passed",
		Limit: "64 KiB in a pipe, up to {fs/pipe-max-size}", Killed: "unread bytes stay for the reader, then end of file",
	},
	{
		Name: "fifo", What: "two named pipes (mkfifo)", Kind: "stream", Finds: "path",
		Limit: "64 KiB in a pipe, up to {fs/pipe-max-size}", Killed: "the name, in the file system; unread bytes while another has it open",
	},
	{
		Name: "socketpair", What: "socketpair of Unix stream sockets", Kind: "stream", Finds: "not at all: descriptors are inherited or passed",
		Limit: "{net/core/wmem_default} bytes in flight", Killed: "unread bytes stay for the reader, then end of file",
	},
	{
		Name: "unix-stream", What: "Unix stream socket", Kind: "stream", Finds: "path, or abstract name",
		Limit: "{net/core/wmem_default} bytes in flight", Killed: "unread bytes stay for the reader; the path, if it has one",
	},
	{
		Name: "unix-dgram", What: "Unix datagram socket", Kind: "message", Finds: "path, or abstract name",
		Limit: "{net/unix/max_dgram_qlen} messages wait; {net/core/wmem_default} bytes", Killed: "unread messages of a dead sender arrive; the path, if it has one",
	},
	{
		Name: "unix-seqpacket", What: "Unix socket with messages (SOCK_SEQPACKET)", Kind: "message", Finds: "path, or abstract name",
		Limit: "{net/core/wmem_default} bytes in flight", Killed: "unread messages arrive, then end of file; the path, if it has one",
	},
	{
		Name: "tcp", What: "TCP on the loopback interface, TCP_NODELAY", Kind: "stream", Finds: "port, also from other machines",
		Limit: "buffers that grow up to {net/ipv4/tcp_wmem} bytes", Killed: "unread bytes arrive, then end of file or a reset; ports in TIME_WAIT",
	},
	{
		Name: "udp", What: "UDP on the loopback interface", Kind: "message", Finds: "port, also from other machines",
		Limit: "65,507 bytes a message; what finds no room is lost", Killed: "nothing: the messages of a dead sender arrive",
	},
	{
		Name: "eventfd", What: "eventfd to wake, the message in shared memory", Kind: "wake-up", Finds: "not at all: descriptors are inherited or passed",
		Limit: "a 64-bit counter", Killed: "the counter, while another has it open",
	},
	{
		Name: "futex", What: "futex(2) to wake, the message in shared memory", Kind: "wake-up", Finds: "with its shared memory",
		Limit: "32 bits", Killed: "the word as it was: a robust list is the user's affair",
	},
	{
		Name: "posix-mq", What: "POSIX message queue (mq_send, mq_receive)", Kind: "message", Finds: "name",
		Limit: "{fs/mqueue/msgsize_max} bytes a message, {fs/mqueue/msg_max} messages", Killed: "the queue and its messages, until mq_unlink", Outlive: true,
	},
	{
		Name: "posix-sem", What: "POSIX semaphore, as the C library has it, the message in shared memory", Kind: "lock", Finds: "name",
		Limit: "values to 2,147,483,647", Killed: "the value: what a dead holder took stays taken", Outlive: true,
	},
	{
		Name: "sysv-sem", What: "System V semaphores (semop), the message in a segment", Kind: "lock", Finds: "key",
		Limit: "{kernel/sem} (SEMMSL SEMMNS SEMOPM SEMMNI)", Killed: "the set; with SEM_UNDO the kernel gives back what a dead holder took", Outlive: true,
	},
	{
		Name: "sysv-msg", What: "System V message queue (msgsnd, msgrcv)", Kind: "message", Finds: "key",
		Limit: "{kernel/msgmax} bytes a message, {kernel/msgmnb} a queue", Killed: "the queue and its messages, until it is removed", Outlive: true,
	},
	{
		Name: "sysv-shm", What: "System V segment with a ring in it, which only polls", Kind: "state", Finds: "key",
		Limit: "{kernel/shmmni} segments", Killed: "the segment and what is in it, half-written or not", Outlive: true,
	},
	{
		Name: "process-vm", What: "process_vm_readv(2): each reads the memory of the other, and polls", Kind: "state", Finds: "PID, of the same user",
		Limit: "the right to trace the other process", Killed: "nothing",
	},
	{
		Name: "memfd-ring", What: "ring in a memfd, which waits by futex(2)", Kind: "stream", Finds: "not at all: descriptors are inherited or passed",
		Limit: "memory", Killed: "the ring as it was, half-written or not, while another has it",
	},
	{
		Name: "flock", What: "lock of an open file (flock)", Kind: "lock", Finds: "path",
		Limit: "one lock a file", Killed: "nothing: the kernel unlocks; the file stays",
	},
	{
		Name: "shared-chan", What: "shared.Chan of this project, which polls shortly before it sleeps", Kind: "message", Finds: "name or key",
		Limit: "messages of one type; memory", Killed: "all whole messages; repaired by the next participant", Outlive: true,
	},
	{
		Name: "shared-records", What: "shared.Records: messages of any length", Kind: "message", Finds: "name or key",
		Limit: "a message has a part of the ring at most", Killed: "all whole messages; repaired by the next participant", Outlive: true,
	},
	{
		Name: "shared-topic", What: "shared.Topic: each message to every subscriber", Kind: "message", Finds: "name or key",
		Limit: "messages of one type; a slow subscriber loses the oldest, or holds publishers up", Killed: "all whole messages; repaired by the next participant", Outlive: true,
	},
	{
		Name: "shared-var", What: "shared.Var: a value that others read and watch", Kind: "state", Finds: "name or key",
		Limit: "values of one type", Killed: "the old value or the new one, never half of each", Outlive: true,
	},
	{
		Name: "shared-mutex", What: "shared.Mutex: a robust lock", Kind: "lock", Finds: "name or key",
		Limit: "memory", Killed: "the next holder gets it, and learns that the owner died", Outlive: true,
	},
	{
		Name: "open2", What: "start a process, cat(1), and talk to it over two pipes", Kind: "process", Finds: "it is a child",
		Limit: "one process each", Killed: "the child, until it reads end of file",
	},
}

// Mode is what is measured of a mechanism.
type Mode struct {
	Name  string
	What  string
	Bytes int // of a message
}

// Modes are all of them, in the order of the tables.
var Modes = []Mode{
	{"round-trip", "there and back, each side asleep while it waits", small},
	{"spin", "there and back, each side polling", small},
	{"paced", "there and back, begun 1,000 times a second", small},
	{"idle", "there and back after 10 ms of silence", small},
	{"stream-64", "one message of a stream, written and read by itself", small},
	{"stream-64k", "one message of a stream, written and read by itself", large},
	{"one-to-many", "one message of a stream to three processes", small},
	{"lock", "lock, write and unlock without another user", small},
	{"hand-over", "from unlock until the process that waits has the lock", small},
	{"read", "read what another process has written", small},
	{"start-up", "make it, open it at both ends, and the first message there and back", small},
}

const (
	small = 64
	large = 64 << 10
)

// Placements say where the two processes run.
var Placements = []string{"same", "other", "free"}
