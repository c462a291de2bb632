//! Dask-style graphs, `{key: (function, argument, …)}`, and Dask's own task objects.

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};
use rask_graph::Block;
use rask_value::Plan;

use super::assembler::{Assembler, OWN, unique_name};
use crate::origin;
use crate::plan::PyPlan;
use crate::program::Step;

/// The classes of Dask's task objects, where Dask is loaded.
struct TaskClasses<'py> {
    node: Bound<'py, PyAny>,
    task: Bound<'py, PyAny>,
    reference: Bound<'py, PyAny>,
    alias: Bound<'py, PyAny>,
    data: Bound<'py, PyAny>,
}

impl<'py> TaskClasses<'py> {
    fn find(py: Python<'py>) -> PyResult<Option<Self>> {
        let modules = py
            .import("sys")?
            .getattr("modules")?
            .cast_into::<PyDict>()?;
        let Some(module) = modules.get_item("dask._task_spec")? else {
            return Ok(None);
        };
        Ok(Some(TaskClasses {
            node: module.getattr("GraphNode")?,
            task: module.getattr("Task")?,
            reference: module.getattr("TaskRef")?,
            alias: module.getattr("Alias")?,
            data: module.getattr("DataNode")?,
        }))
    }
}

struct Compiler<'py> {
    assembler: Assembler,
    /// Key to task number.
    numbers: Bound<'py, PyDict>,
    classes: Option<TaskClasses<'py>>,
}

/// Compiles a dict graph into a plan whose wanted blocks are the keys, nested lists flattened.
#[pyfunction]
pub fn compile_graph<'py>(
    py: Python<'py>,
    graph: &Bound<'py, PyDict>,
    keys: &Bound<'py, PyAny>,
) -> PyResult<PyPlan> {
    let numbers = PyDict::new(py);
    for (number, key) in graph.keys().iter().enumerate() {
        numbers.set_item(key, number)?;
    }
    let mut compiler = Compiler {
        assembler: Assembler::new(),
        numbers,
        classes: TaskClasses::find(py)?,
    };
    for (_, task) in graph.iter() {
        compiler.task(&task)?;
        compiler.assembler.finish_task(None);
    }
    let mut plan = Plan::default();
    let Compiler {
        assembler, numbers, ..
    } = compiler;
    let origin = origin::capture(py);
    let layer = assembler.add_to(&mut plan, unique_name(py, "graph")?, "task", origin);
    want(
        &mut |block| plan.graph.wanted.push(Block { layer, block }),
        &numbers,
        keys,
    )?;
    Ok(PyPlan::new(plan))
}

fn want(
    wanted: &mut impl FnMut(u32),
    numbers: &Bound<'_, PyDict>,
    keys: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if let Ok(list) = keys.cast_exact::<PyList>() {
        for key in list.iter() {
            want(wanted, numbers, &key)?;
        }
        return Ok(());
    }
    match numbers.get_item(keys)? {
        Some(number) => wanted(number.extract()?),
        None => {
            return Err(PyKeyError::new_err(format!(
                "{} is not a key of the graph",
                keys.repr()?
            )));
        }
    }
    Ok(())
}

/// Values in the nesting of their keys, lists becoming tuples as in Dask's `get`.
#[pyfunction]
pub fn nest_values<'py>(
    keys: &Bound<'py, PyAny>,
    values: &Bound<'py, PyList>,
) -> PyResult<Bound<'py, PyAny>> {
    fn nest<'py>(
        keys: &Bound<'py, PyAny>,
        values: &Bound<'py, PyList>,
        next: &mut usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Ok(list) = keys.cast_exact::<PyList>() else {
            *next += 1;
            return values.get_item(*next - 1);
        };
        let items = list.iter().map(|key| nest(&key, values, next));
        let items = items.collect::<PyResult<Vec<_>>>()?;
        Ok(PyTuple::new(keys.py(), items)?.into_any())
    }
    nest(keys, values, &mut 0)
}

impl<'py> Compiler<'py> {
    /// A whole task: a call, an alias, a literal, or one of Dask's objects.
    fn task(&mut self, task: &Bound<'py, PyAny>) -> PyResult<()> {
        self.argument(task).map(|_| ())
    }

    /// Emits an argument; true if it is computed and not just a constant.
    fn argument(&mut self, object: &Bound<'py, PyAny>) -> PyResult<bool> {
        if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            return self.tuple(tuple);
        }
        if is_plain_key(object) {
            return self.key_or_constant(object);
        }
        if let Ok(list) = object.cast_exact::<PyList>() {
            return self.items(object, list.iter(), Step::List(list.len() as u32));
        }
        if let Ok(dict) = object.cast_exact::<PyDict>() {
            return self.dict(dict);
        }
        if let Ok(set) = object.cast_exact::<PySet>() {
            return self.items(object, set.iter(), Step::Set(set.len() as u32));
        }
        if self.classes.is_some() && self.task_object(object)? {
            return Ok(true);
        }
        self.assembler.constant(object);
        Ok(false)
    }

    fn tuple(&mut self, tuple: &Bound<'py, PyTuple>) -> PyResult<bool> {
        if let Ok(function) = tuple.get_borrowed_item(0)
            && function.is_callable()
        {
            self.assembler.constant(&function);
            for argument in tuple.iter().skip(1) {
                self.argument(&argument)?;
            }
            self.assembler.step(Step::Call(tuple.len() as u32 - 1));
            return Ok(true);
        }
        if let Some(number) = self.find(tuple.as_any()) {
            self.assembler.input(OWN, number);
            return Ok(true);
        }
        self.items(
            tuple.as_any(),
            tuple.iter(),
            Step::Tuple(tuple.len() as u32),
        )
    }

    fn key_or_constant(&mut self, object: &Bound<'py, PyAny>) -> PyResult<bool> {
        match self.find(object) {
            Some(number) => {
                self.assembler.input(OWN, number);
                Ok(true)
            }
            None => {
                self.assembler.constant(object);
                Ok(false)
            }
        }
    }

    fn find(&self, key: &Bound<'py, PyAny>) -> Option<u32> {
        // Tuples may hold what cannot be hashed; such a tuple is no key.
        self.numbers.get_item(key).ok().flatten()?.extract().ok()
    }

    fn items(
        &mut self,
        whole: &Bound<'py, PyAny>,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        step: Step,
    ) -> PyResult<bool> {
        let mark = self.assembler.mark();
        let mut computed = false;
        for item in items {
            computed |= self.argument(&item)?;
        }
        if computed {
            self.assembler.step(step);
        } else {
            self.assembler.replace_by_constant(mark, whole);
        }
        Ok(computed)
    }

    fn dict(&mut self, dict: &Bound<'py, PyDict>) -> PyResult<bool> {
        let mark = self.assembler.mark();
        let mut computed = false;
        for (key, value) in dict.iter() {
            self.assembler.constant(&key);
            computed |= self.argument(&value)?;
        }
        if computed {
            self.assembler.step(Step::Dict(dict.len() as u32));
        } else {
            self.assembler.replace_by_constant(mark, dict.as_any());
        }
        Ok(computed)
    }

    /// Emits one of Dask's task objects; false if `object` is none.
    fn task_object(&mut self, object: &Bound<'py, PyAny>) -> PyResult<bool> {
        let Some(classes) = &self.classes else {
            return Ok(false);
        };
        let py = object.py();
        let class = object.get_type();
        if class.is(&classes.reference) {
            let key = object.getattr(pyo3::intern!(py, "key"))?;
            self.reference(&key)?;
            return Ok(true);
        }
        if class.is(&classes.alias) {
            let target = object.getattr(pyo3::intern!(py, "target"))?;
            self.reference(&target)?;
            return Ok(true);
        }
        if class.is(&classes.data) {
            let value = object.getattr(pyo3::intern!(py, "value"))?;
            self.assembler.constant(&value);
            return Ok(true);
        }
        if class.is(&classes.task) {
            self.call(object)?;
            return Ok(true);
        }
        if object.is_instance(&classes.node)? {
            self.opaque(object)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn reference(&mut self, key: &Bound<'py, PyAny>) -> PyResult<()> {
        match self.find(key) {
            Some(number) => {
                self.assembler.input(OWN, number);
                Ok(())
            }
            None => Err(PyKeyError::new_err(format!(
                "a task needs {}, which is not a key of the graph",
                key.repr()?
            ))),
        }
    }

    /// `Task(key, function, *args, **kwargs)`, whose arguments hold references but no keys.
    fn call(&mut self, task: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = task.py();
        let function = task.getattr(pyo3::intern!(py, "func"))?;
        let arguments = task.getattr(pyo3::intern!(py, "args"))?;
        let keywords = task.getattr(pyo3::intern!(py, "kwargs"))?;
        self.assembler.constant(&function);
        let mut count = 0;
        for argument in arguments.try_iter()? {
            self.task_argument(&argument?)?;
            count += 1;
        }
        let keywords = keywords.cast::<PyDict>()?;
        if keywords.is_empty() {
            self.assembler.step(Step::Call(count));
            return Ok(());
        }
        for (name, value) in keywords.iter() {
            self.assembler.constant(&name);
            self.task_argument(&value)?;
        }
        self.assembler.step(Step::Dict(keywords.len() as u32));
        self.assembler.step(Step::CallKeywords(count));
        Ok(())
    }

    fn task_argument(&mut self, argument: &Bound<'py, PyAny>) -> PyResult<()> {
        if is_plain_key(argument) || !self.task_object(argument)? {
            self.assembler.constant(argument);
        }
        Ok(())
    }

    /// Any other task object: it is called with a dict of its dependencies' values.
    fn opaque(&mut self, task: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = task.py();
        self.assembler.constant(task);
        let mut count = 0;
        for key in task
            .getattr(pyo3::intern!(py, "dependencies"))?
            .try_iter()?
        {
            let key = key?;
            self.assembler.constant(&key);
            self.reference(&key)?;
            count += 1;
        }
        self.assembler.step(Step::Dict(count));
        self.assembler.step(Step::Call(1));
        Ok(())
    }
}

fn is_plain_key(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBytes>()
}
