# Perl: hashes, closures, a sorted list, a file that is being written and one that is being read.
use strict;
use warnings;

my $folder = $ARGV[0];
$| = 1;

sub gate {
    my $number = shift;
    print "ready $number\n";
    select(undef, undef, undef, 0.001) until -e "$folder/$number";
}

open(my $out, '>', "$folder/perl.out") or die "perl.out: $!";
open(my $self, '<', $0) or die "$0: $!";
my %seen;
my $next = do { my $state = 1; sub { $state = ($state * 48271) % 2147483647 } };
for my $stage (1, 2) {
    for (1 .. 5000) { $seen{ $next->() % 1009 }++ }
    print $out "stage $stage\n";
    my $line = <$self>;
    print length($line), "\n";
    gate($stage);
}
close($out);
open(my $in, '<', "$folder/perl.out") or die "perl.out: $!";
print <$in>;
print join(' ', map { "$_:$seen{$_}" } (sort { $a <=> $b } keys %seen)[0 .. 5]), ' ', $next->(), "\n";
