# Increments a variable of IPC::Shareable under its lock: as many times as each line of
# standard input says, and answers with the nanoseconds that it took.
use strict;
use warnings;
use IPC::Shareable;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

$| = 1;
my $n = 0;
my $tied = tie $n, 'IPC::Shareable', { key => 'svbn', create => 1, destroy => 1, mode => 0600 };
while (my $line = <STDIN>) {
    my $start = clock_gettime(CLOCK_MONOTONIC);
    for (1 .. $line) {
        $tied->lock;
        $n++;
        $tied->unlock;
    }
    printf "%.0f\n", 1e9 * (clock_gettime(CLOCK_MONOTONIC) - $start);
}
