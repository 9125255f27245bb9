-- Emergency department visits of residents. One row per condition group of the main diagnosis and
-- calendar year, and one for all conditions in each year; people and visits, 0 or more. A person
-- seen for two conditions is counted in both groups and once in the margin.
with visits as (
    select person_key, visit_year, condition_group
    from {{ ref('int_ed_visits') }}
),

years as (
    select distinct visit_year from visits
),

conditions as (
    select condition_group
    from {{ ref('condition_groups') }}
    union all
    select 'Unknown' as condition_group
    where exists (select 1 from visits where condition_group = 'Unknown')
    union all
    select 'All conditions' as condition_group
),

-- A-04: anybody in the state may fall ill, so the state total.
state as (
    select population_count
    from {{ ref('county_population') }}
    where area = 'California' and race_ethnicity = 'Total'
),

counted as (
    select
        visit_year,
        if(grouping(condition_group) = 1, 'All conditions', condition_group)
            as condition_group,
        count(*) as visit_count,
        count(distinct person_key) as person_count
    from visits
    group by grouping sets ((visit_year, condition_group), (visit_year))
)

select
    conditions.condition_group,
    years.visit_year,
    coalesce(counted.visit_count, 0) as visit_count,
    coalesce(counted.person_count, 0) as person_count,
    state.population_count
from years
cross join conditions
cross join state
left join counted
    on
        years.visit_year = counted.visit_year
        and conditions.condition_group = counted.condition_group
order by years.visit_year, conditions.condition_group
