-- Conditions of a Synthea population, for analysts. One row per recorded condition.
select
    person_key,
    encounter_key,
    start_year,
    stop_year,
    stop_year is null as is_ongoing,
    code,
    code_system,
    description
from {{ source('deidentified', 'synthea_conditions') }}
order by person_key, encounter_key, start_year, code
