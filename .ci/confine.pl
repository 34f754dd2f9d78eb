# confine.pl COMMAND…: become COMMAND under a filter as docker's default one is, as far as it concerns this project: no unshare(2), mount(2),
# umount2(2), setns(2), and no clone(2) with a new namespace; clone3(2) does not exist. For x86-64.
use strict;
use warnings;

my ($load, $equal, $any, $return) = (0x20, 0x15, 0x45, 0x06);                # BPF_LD, BPF_JEQ, BPF_JSET, BPF_RET
my ($allow, $eperm, $enosys) = (0x7fff0000, 0x00050001, 0x00050026);         # SECCOMP_RET_…
my @calls = ([272, $eperm], [165, $eperm], [166, $eperm], [308, $eperm], [435, $enosys]);
my ($clone, $namespaces) = (56, 0x7e020000);                                 # CLONE_NEWNS, …CGROUP, …UTS, …IPC, …USER, …PID, …NET

my @filter = ([$load, 0, 0, 0]);                                             # the call's number
push @filter, [$equal, 0, 1, $_->[0]], [$return, 0, 0, $_->[1]] for @calls;
push @filter, [$equal, 0, 3, $clone], [$load, 0, 0, 16], [$any, 0, 1, $namespaces], [$return, 0, 0, $eperm];
push @filter, [$return, 0, 0, $allow];

my $filter = join "", map { pack "SCCL", @$_ } @filter;
my $program = pack "Sx6P", scalar @filter, $filter;
syscall(157, 38, 1, 0, 0, 0) == 0 or die "no_new_privs: $!";                 # prctl(PR_SET_NO_NEW_PRIVS)
syscall(157, 22, 2, $program) == 0 or die "seccomp: $!";                     # prctl(PR_SET_SECCOMP)
exec @ARGV or die "$ARGV[0]: $!";
