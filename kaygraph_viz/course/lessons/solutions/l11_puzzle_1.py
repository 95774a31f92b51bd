"""The first five results of an endless source; the lesson shuffles these lines."""


class FirstFive(kv.PipelineNode):
    def prep(self, shared):
        return itertools.count(1)

    def exec(self, run):
        return [outcome.value for outcome in itertools.islice(run, 5)]

    def post(self, shared, source, squares):
        shared["squares"] = squares


FirstFive([kv.Stage("square", lambda number: number**2)]).run(shared := {})
