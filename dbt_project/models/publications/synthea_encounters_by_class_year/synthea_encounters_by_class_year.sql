-- Encounters of a Synthea population. One row per encounter class and calendar year, and one for
-- all classes in each year; people and encounters, 0 or more. Without a delivery it has no rows.
with encounters as (
    select
        person_key,
        cast(year(start_month) as integer) as encounter_year,
        coalesce(encounter_class, 'Unknown') as encounter_class
    from {{ source('limited', 'synthea_encounters') }}
),

years as (
    select distinct encounter_year from encounters
),

classes as (
    select distinct encounter_class from encounters
    union all
    select 'All classes' as encounter_class
),

-- A-04: the residents of the states the people live in; 0, which is small, where none is known.
population as (
    select coalesce(sum(states.population_count), 0)::bigint as population_count
    from {{ ref('state_population') }} as states
    where states.state in (select state from {{ source('limited', 'synthea_patients') }})
),

counted as (
    select
        encounter_year,
        if(grouping(encounter_class) = 1, 'All classes', encounter_class)
            as encounter_class,
        count(*) as encounter_count,
        count(distinct person_key) as person_count
    from encounters
    group by grouping sets ((encounter_year, encounter_class), (encounter_year))
)

select
    classes.encounter_class,
    years.encounter_year,
    coalesce(counted.encounter_count, 0) as encounter_count,
    coalesce(counted.person_count, 0) as person_count,
    population.population_count
from years
cross join classes
cross join population
left join counted
    on years.encounter_year = counted.encounter_year and classes.encounter_class = counted.encounter_class
order by years.encounter_year, classes.encounter_class
