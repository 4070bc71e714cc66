"""Line charts that survive any numbers.

They are our own because plotext, which draws in the shell (`icot_tui/cli/plots`), takes 4.3 ms
where this takes 1.8 (the same points on 78x10 cells; 22 to 49 against 5 to 15 on 200x40), 2 to 6
times as long: `benchmarks/chart.py --plotext`.
"""
