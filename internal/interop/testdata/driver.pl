# The Perl side of the tests: the protocol of interop_linux_test.go, by Perl's own functions ("core") or by the modules
# that come with it ("modules").
use strict;
use warnings;
use IPC::SysV qw(:all);
use IPC::Msg;
use IPC::Semaphore;
use IPC::SharedMem;

$| = 1;
my $create = IPC_CREAT | IPC_EXCL | 0600;
my ($shm, $sem, $msg);    # IDs, or objects of the modules

sub unhex { pack 'H*', $_[0] eq '-' ? '' : $_[0] }
sub hexed { $_[0] eq '' ? '-' : unpack 'H*', $_[0] }

# Perl's ...get functions convert the key through a floating-point number: 0xfd0c5087 would become 0x80000000, so it has
# to be made negative first.
sub key { unpack 'l', pack 'L', oct $_[0] }

# operations turns "0-1", "1+2", "2=0" and "0-1:undo" into what semop wants.
sub operations {
    my $flags = shift;
    map { /^(\d+)(=0|[-+]\d+)(:undo)?$/ or die "operation $_"; ($1, $2 eq '=0' ? 0 : $2 + 0, $flags | ($3 ? SEM_UNDO : 0)) } @_;
}

sub flags {
    my %flag = (nowait => IPC_NOWAIT, except => MSG_EXCEPT, cut => MSG_NOERROR);
    my $flags = 0;
    $flags |= $flag{$_} for @_;
    return $flags;
}

# ok ends a command that has failed, with $! as the reason. found is ok for what may be 0, such as an ID.
sub ok    { $_[0]         or die { errno => $! + 0 }; $_[0] }
sub found { defined $_[0] or die { errno => $! + 0 }; $_[0] }

# count adds 1 to the number at the beginning of the segment, n times, under semaphore 0.
sub count {
    my ($n, $operate, $read, $write) = @_;
    for (1 .. $n) {
        ok $operate->(0, -1, SEM_UNDO);
        my $number = unpack 'i', $read->(0, 4);
        ok $write->(pack('i', $number + 1), 0, 4);
        ok $operate->(0, +1, SEM_UNDO);
    }
    return;
}

sub coreread { my ($pos, $size) = @_; ok shmread($shm, my $text, $pos, $size); $text }

my %core = (
    'shm make'   => sub { $shm = found shmget key($_[0]), $_[1], $create },
    'shm open'   => sub { $shm = found shmget key($_[0]), 0, 0 },
    'shm use'    => sub { $shm = $_[0] },
    'shm write'  => sub { ok shmwrite $shm, unhex($_[2]), $_[0], $_[1]; () },
    'shm read'   => sub { hexed coreread(@_) },
    'shm remove' => sub { ok shmctl $shm, IPC_RMID, 0; () },

    'sem make' => sub {
        my ($key, @values) = @_;
        $sem = found semget key($key), @values, $create;
        ok semctl $sem, $_, SETVAL, $values[$_] for 0 .. $#values;
        $sem;
    },
    'sem open'    => sub { $sem = found semget key($_[0]), 0, 0 },
    'sem use'     => sub { $sem = $_[0] },
    'sem op'      => sub { ok semop $sem, pack 's!*', operations(0, @_); () },
    'sem try'     => sub { ok semop $sem, pack 's!*', operations(IPC_NOWAIT, @_); () },
    'sem values'  => sub { ok semctl($sem, 0, GETALL, my $all); unpack 'S!*', $all },
    'sem set'     => sub { ok semctl $sem, $_[0], SETVAL, $_[1]; () },
    'sem waiters' => sub { map { ok(semctl $sem, $_[0], $_, 0) + 0 } GETNCNT, GETZCNT },
    'sem remove'  => sub { ok semctl $sem, 0, IPC_RMID, 0; () },
    'sem count'   => sub {
        count($_[0], sub { semop $sem, pack 's!*', @_ }, \&coreread, sub { shmwrite $shm, $_[0], $_[1], $_[2] });
    },

    'msg make'    => sub { $msg = found msgget key($_[0]), $create },
    'msg open'    => sub { $msg = found msgget key($_[0]), 0 },
    'msg use'     => sub { $msg = $_[0] },
    'msg send'    => sub { my ($type, $text, @flags) = @_; ok msgsnd $msg, pack('l! a*', $type, unhex $text), flags(@flags); () },
    'msg receive' => sub {
        my ($type, $size, @flags) = @_;
        ok msgrcv($msg, my $message, $size, $type, flags(@flags));
        my ($got, $text) = unpack 'l! a*', $message;
        ($got, hexed $text);
    },
    'msg remove' => sub { ok msgctl $msg, IPC_RMID, 0; () },
);

my %modules = (
    'shm make'   => sub { $shm = ok(IPC::SharedMem->new(key($_[0]), $_[1], $create)); ok $shm->attach; $shm->id },
    'shm open'   => sub { $shm = ok(IPC::SharedMem->new(key($_[0]), 0,     0));       ok $shm->attach; $shm->id },
    'shm write'  => sub { ok $shm->write(unhex($_[2]), $_[0], $_[1]); () },
    'shm read'   => sub { hexed found $shm->read(@_) },
    'shm remove' => sub { ok $shm->remove; () },

    'sem make'    => sub { my ($key, @values) = @_; $sem = ok(IPC::Semaphore->new(key($key), scalar @values, $create)); ok $sem->setall(@values); $sem->id },
    'sem open'    => sub { $sem = ok(IPC::Semaphore->new(key($_[0]), 0, 0)); $sem->id },
    'sem op'      => sub { ok $sem->op(operations(0, @_)); () },
    'sem try'     => sub { ok $sem->op(operations(IPC_NOWAIT, @_)); () },
    'sem values'  => sub { $sem->getall },
    'sem set'     => sub { ok $sem->setval(@_); () },
    'sem waiters' => sub { ($sem->getncnt($_[0]), $sem->getzcnt($_[0])) },
    'sem remove'  => sub { ok $sem->remove; () },
    'sem count'   => sub { count($_[0], sub { $sem->op(@_) }, sub { $shm->read(@_) }, sub { $shm->write(@_) }) },

    'msg make'    => sub { $msg = ok(IPC::Msg->new(key($_[0]), $create)); $msg->id },
    'msg open'    => sub { $msg = ok(IPC::Msg->new(key($_[0]), 0));       $msg->id },
    'msg send'    => sub { my ($type, $text, @flags) = @_; ok $msg->snd($type, unhex($text), flags(@flags)); () },
    'msg receive' => sub { my ($type, $size, @flags) = @_; my $got = ok $msg->rcv(my $text, $size, $type, flags(@flags)); ($got, hexed $text) },
    'msg remove'  => sub { ok $msg->remove; () },

    # The keys of the files that the lines of a list name.
    'ftok' => sub {
        my ($project, $list) = @_;
        open my $lines, '<', $list or die { errno => $! + 0 };
        map { chomp; ftok($_, $project + 0) // -1 } <$lines>;
    },
);

my %verb = $ARGV[0] eq 'core' ? %core : %modules;
while (<STDIN>) {
    my ($object, @words) = split;
    my $run = $verb{$object} || $verb{$object . ' ' . shift @words} or die "no such command: $_";
    my @answer = eval { $run->(@words) };
    die $@ if $@ && !ref $@;
    print $@ ? "fail $@->{errno}\n" : "@{['ok', @answer]}\n";
}
