"""The pytest plugin. `lifeguard_pytest`, beside the package, is what pytest loads; it loads this when it is asked for.

- `plugin`: the hooks. Each test's scope from its set-up to the end of its tear-down, and the verdict.
- `choosing`: what the ini file, the command line and the markers say, as a scope for one test or fixture.
- `loading`: contracts named in the configuration.
- `fixtures`: the scopes of fixtures that outlive a test.
- `origins`: in which test a thread or task was first seen.
- `pointing`: a violation raised where the user's code made the acquire, and told in one line.
- `baseline`: the file of findings that are known.
- `summary`: what is counted, told at the end, and written into JUnit XML; in the process that reports.
"""
