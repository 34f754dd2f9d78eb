// Package top is the full-screen view of a machine's System V IPC objects: what "sysvipc top" shows.
//
// There are three nouns:
//
//   - A [Machine] is what is looked at: functions that take a snapshot, look again at one object,
//     read bytes and remove. Everything that top knows or does goes through it.
//   - A [Model] is what is on the screen. Keys, the mouse, the clock and what the machine answers
//     change it, in [Model.Update]; nothing else does.
//   - A frame is the model as lines of text, [Model.Frame]: as wide and as high as the screen at most.
//
// Looking costs: a snapshot reads all of /proc. So the rows that can be seen are looked at again at
// every tick, one by one, and a snapshot of everything is only taken when the program has used less
// than [Share] of one processor since the last one began. A small machine is seen again at every tick;
// one with many thousand objects every few seconds, and the first line says how old that is.
package top
