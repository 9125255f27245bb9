-- Encounters of a Synthea population, for analysts. One row per encounter.
select
    encounter_key,
    person_key,
    start_year,
    stop_year,
    encounter_class,
    code,
    description,
    reason_code,
    reason_description,
    organization_key,
    provider_key,
    payer_key,
    base_encounter_cost,
    total_claim_cost,
    payer_coverage
from {{ source('deidentified', 'synthea_encounters') }}
order by encounter_key
