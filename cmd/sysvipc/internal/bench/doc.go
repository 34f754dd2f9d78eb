// Package bench measures the ways in which two processes of one machine talk, lock and share, beside one another.
//
// A mechanism has two ends, each in a process of its own: [Run] starts the first process, which measures and starts the
// others. They are this program again, in an IPC namespace of their own where that is possible, and [End] is what they
// execute. Each message is written by one process and read, word by word, by the other. All measurements take turns of a
// few milliseconds, round after round, so that a disturbance of the machine meets all of them.
//
// The processes die with the one that started them. Names are removed as soon as both processes have the object; what
// has to keep its name, a queue or a set, lies in the namespace, or is removed by the process that is left.
package bench
