-- Emergency department visits of residents. One row per sex and calendar year, and one for all in
-- each year; visits and people, 0 or more.
with state as (
    select population_count
    from {{ ref('county_population') }}
    where area = 'California' and race_ethnicity = 'Total'
)

select
    if(grouping(visits.sex) = 1, 'All', visits.sex) as sex,
    visits.visit_year,
    count(*) as visit_count,
    count(distinct visits.person_key) as person_count,
    state.population_count
from {{ ref('int_ed_visits') }} as visits
cross join state
group by grouping sets (
    (visits.visit_year, visits.sex, state.population_count),
    (visits.visit_year, state.population_count)
)
order by visits.visit_year, sex
