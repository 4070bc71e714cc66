"""The config file of a run so small that a process trains it whole in a moment."""


def tiny_toml(max_steps: int, evaluate_every: int) -> str:
    """A gated removal of all tokens on the CPU, in lines of four steps."""
    return f"""
name = "tiny"
[data]
task = "multiplication"
options = {{ digits = "2x2" }}
train_examples = 50
validation_examples = 20
[model]
layers = 1
heads = 2
width = 16
[curriculum]
schedule = "loss_gated"
gate_window = 3
min_steps = 2
max_steps = 3
[train]
max_steps = {max_steps}
batch_size = 8
observe_every = 4
device = "cpu"
threads = 1
[evaluation]
every_steps = {evaluate_every}
"""
