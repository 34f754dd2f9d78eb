# Step makes a Perl program stop before each of its calls: it prints "at NAME ID" and goes on when it reads a line. So a
# test can look and act between the lines of a program that was not written for it: perl -Itestdata -MStep PROGRAM.
package Step;
use strict;
use warnings;

$| = 1;

sub step {
    my ($name, $id) = @_;
    print "at $name $id\n";
    defined <STDIN> or exit;
}

BEGIN {
    no strict 'refs';
    my %arguments = (semop => 2, msgsnd => 3, msgrcv => 5, msgctl => 3, shmread => 4, shmwrite => 4, shmctl => 3);
    while (my ($name, $n) = each %arguments) {
        # $_[1] is the caller's own variable, as the calls that read need it.
        my $list = join ', ', map "\$_[$_]", 0 .. $n - 1;
        *{"CORE::GLOBAL::$name"} = eval 'sub (' . '$' x $n . ") { Step::step('$name', \$_[0]); CORE::$name($list) }" or die $@;
    }
}

1;
