//! The checks of an operator: its inputs and outputs, and their element types.

use super::fault::{Fault, ensure};
use super::operators::{Rule, Slot};
use super::tensor::Tensor;
use crate::model::tflite::error::ModelError;
use crate::model::tflite::reader::{I32Field, Table};
use crate::model::tflite::schema::{ABSENT_TENSOR, BuiltinOperator, operator};

/// An operator of a subgraph, with valid tensor indices.
pub struct Operator<'a> {
    /// The table `Operator`.
    pub table: Table<'a>,
    /// The operation.
    pub code: BuiltinOperator,
    /// The row of the operation.
    pub rule: &'static Rule,
    /// Tensor indices of the inputs; `None` for an optional input that is absent.
    pub inputs: Vec<Option<usize>>,
    /// Tensor indices of the outputs.
    pub outputs: Vec<usize>,
    /// Tensor indices of the results inside a quantized recurrent cell.
    pub intermediates: Vec<usize>,
}

impl<'a> Operator<'a> {
    /// Reads an operator of a subgraph with `tensors` tensors, and checks that its tensors exist.
    pub fn new(table: Table<'a>, rule: &'static Rule, tensors: usize) -> Result<Self, ModelError> {
        let existing = |index: i32| usize::try_from(index).ok().filter(|&i| i < tensors);
        let input = |index: i32| match index {
            ABSENT_TENSOR => Some(None),
            index => existing(index).map(Some),
        };
        let inputs: Option<Vec<_>> =
            table.i32_vector(operator::INPUTS).into_iter().map(input).collect();
        let outputs: Option<Vec<_>> =
            table.i32_vector(operator::OUTPUTS).into_iter().map(existing).collect();
        let intermediates: Option<Vec<_>> =
            table.i32_vector(operator::INTERMEDIATES).into_iter().map(existing).collect();
        let intermediates =
            intermediates.ok_or(ModelError::Damaged("an operator's intermediate result"))?;
        let inputs = inputs.ok_or(ModelError::Damaged("an operator's input"))?;
        let outputs = outputs.ok_or(ModelError::Damaged("an operator's output"))?;
        Ok(Self { table, code: rule.code, rule, inputs, outputs, intermediates })
    }

    /// Checks the number of inputs and outputs, and which inputs are absent.
    pub fn verify_arity(&self) -> Result<(), Fault> {
        let slots = self.rule.inputs;
        let repeats =
            |slot: &Slot| matches!(slot, Slot::Many(_) | Slot::ManyLike(_) | Slot::Each(_));
        let may_be_missing = |slot: &&Slot| matches!(slot, Slot::Optional(_) | Slot::Trailing(_));
        let required = slots.len() - slots.iter().filter(may_be_missing).count();
        let is_open = slots.last().is_some_and(repeats);
        let fits = self.inputs.len() >= required && (is_open || self.inputs.len() <= slots.len());
        ensure(fits, "it has a wrong number of inputs")?;
        let absent = (0..self.inputs.len()).filter(|&position| self.inputs[position].is_none());
        let is_optional = |position| matches!(slots.get(position), Some(Slot::Optional(_)));
        ensure(absent.into_iter().all(is_optional), "an input that it needs is absent")?;
        let outputs = self.rule.outputs;
        let fits = if outputs.last().is_some_and(repeats) {
            self.outputs.len() >= outputs.len()
        } else {
            self.outputs.len() == outputs.len()
        };
        ensure(fits, "it has a wrong number of outputs")
    }

    /// Checks the element types of the inputs and outputs. Returns the tensor index of the first
    /// one with a type that the operator does not take.
    pub fn verify_types(&self, tensors: &[Tensor<'_>]) -> Result<(), usize> {
        let like = |position: usize| {
            self.inputs.get(position).copied().flatten().map(|input| tensors[input].element)
        };
        let check = |slots: &[Slot], position: usize, first: usize, index: usize| {
            let element = tensors[index].element;
            let fits = match slots.get(position).or(slots.last()) {
                Some(Slot::Of(types) | Slot::Optional(types)) => types.contains(element),
                Some(Slot::Trailing(types) | Slot::Each(types)) => types.contains(element),
                Some(Slot::Like(input) | Slot::ManyLike(input)) => like(*input) == Some(element),
                Some(Slot::Many(types)) => {
                    types.contains(element) && element == tensors[first].element
                }
                None => false,
            };
            if fits { Ok(()) } else { Err(index) }
        };
        let first = self.inputs.first().copied().flatten();
        for (position, index) in self.inputs.iter().enumerate() {
            let Some(index) = *index else { continue };
            check(self.rule.inputs, position, first.unwrap_or(index), index)?;
        }
        for (position, &index) in self.outputs.iter().enumerate() {
            check(self.rule.outputs, position, self.outputs[0], index)?;
        }
        Ok(())
    }

    /// Returns the name of the operation, for error messages.
    pub fn name(&self) -> &'static str {
        self.code.name().unwrap_or_default()
    }

    /// Returns the input at a position; `None` if it is absent.
    pub fn input<'t, 'f>(
        &self,
        tensors: &'t [Tensor<'f>],
        position: usize,
    ) -> Option<&'t Tensor<'f>> {
        self.inputs.get(position).copied().flatten().map(|index| &tensors[index])
    }

    /// Returns the first output.
    pub fn output<'t, 'f>(&self, tensors: &'t [Tensor<'f>]) -> Option<&'t Tensor<'f>> {
        self.outputs.first().map(|&index| &tensors[index])
    }

    /// Returns all inputs that are present, and all outputs.
    pub fn tensors<'t, 'f>(
        &self,
        tensors: &'t [Tensor<'f>],
    ) -> impl Iterator<Item = &'t Tensor<'f>> {
        let inputs = self.inputs.iter().copied().flatten();
        let indices: Vec<usize> = inputs.chain(self.outputs.iter().copied()).collect();
        indices.into_iter().map(|index| &tensors[index])
    }

    /// Returns an integer option. It is the default of the field if there are no options.
    pub fn integer(&self, field: I32Field) -> i64 {
        let options = self.table.table(operator::BUILTIN_OPTIONS);
        options.map_or(field.default, |options| options.i32(field)).into()
    }

    /// Returns a byte option, such as an enum, whose default is 0.
    pub fn byte(&self, field: usize) -> u8 {
        self.table.table(operator::BUILTIN_OPTIONS).map_or(0, |options| options.u8(field))
    }

    /// Returns an option that is a list of integers; an empty one if it is absent.
    pub fn integers(&self, field: usize) -> Vec<i64> {
        let options = self.table.table(operator::BUILTIN_OPTIONS);
        let list = options.map(|options| options.i32_vector(field)).unwrap_or_default();
        list.into_iter().map(i64::from).collect()
    }
}
