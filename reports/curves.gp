# The look of every plot. The program puts `width` and `height` (pixels) in front of this, and the data,
# the legend and one `plot` command a panel behind it.
set encoding utf8
set terminal svg size width, height fixed name "curves" noenhanced font "Helvetica, Arial, sans-serif,13" \
    linewidth 1.0 background "#ffffff"

# Okabe and Ito (2008): told apart by readers with any of the usual colour deficiencies. Their yellow
# is left out (too faint on white).
set linetype 1 linecolor rgb "#0072b2"
set linetype 2 linecolor rgb "#d55e00"
set linetype 3 linecolor rgb "#009e73"
set linetype 4 linecolor rgb "#cc79a7"
set linetype 5 linecolor rgb "#56b4e9"
set linetype 6 linecolor rgb "#e69f00"
set linetype 7 linecolor rgb "#333333"
set linetype cycle 7

set border 3 linecolor rgb "#6b7580" linewidth 0.8
set tics nomirror out scale 0.5 textcolor rgb "#3c4650"
set grid xtics ytics linetype 1 linecolor rgb "#e3e7eb" linewidth 0.6
set style fill transparent solid 0.15 noborder
set offsets graph 0, 0, 0.04, 0.02
set xlabel textcolor rgb "#3c4650" offset 0, 0.3
set ylabel textcolor rgb "#3c4650" offset 1, 0
set title textcolor rgb "#1d232b" font ",15" offset 0, -0.4

set autoscale fix
unset key
