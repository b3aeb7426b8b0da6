"""The process that analyzers are forked from: one per Python environment, started by the runner.

It runs under the *analyzers'* interpreter, where neither `cortex` nor `waggle` is installed: nothing in this folder imports
anything but the standard library of Python 3.9 and, by name, what is to be kept warm. It has one thread, no secrets in its
memory or environment, and one socket to the runner.
"""
